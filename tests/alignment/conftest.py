"""Its being here lets the folders below import `stand_in`."""
