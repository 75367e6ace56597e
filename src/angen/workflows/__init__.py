"""The studio's verbs, one file each: what a door calls, over all the rooms below.

Import from the file (`from angen.workflows.analyze import analyze_files`): listening to a recording should
not wait for the libraries that train.
"""
