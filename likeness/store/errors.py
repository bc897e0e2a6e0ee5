class LikenessError(Exception):
    """Something a person can mend: one line saying what, where and what next.

    The command line prints the message alone and exits with code 2; every other exception is a
    bug and keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
