"""A turn of the loop on recorded people: from a folder of films to a fitted generator and cases."""
