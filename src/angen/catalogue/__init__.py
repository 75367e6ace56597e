"""What others have made and offer: collections of songs and scores, and soundfonts; how each is fetched and read.

`records` are the facts, `fetching` and `unpacking` bring a file safely onto the disk, one file for each collection
knows its layout, and `symbolic` turns scores into sound. Nothing here knows of a dataset's folder: a workflow puts
what is found here into one.
"""
