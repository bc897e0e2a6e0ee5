"""A reward learned from people's votes, on the scores of the other rewards or on the frames."""
