"""What is asked: a task folder, loaded and validated into one frozen `Task`.

Reading folders, their issues and their version hashes belong here; calling a model, scoring
and the warehouse do not.
"""
