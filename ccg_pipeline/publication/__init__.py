"""What the committee and the analysts pull: tables read from the published copy, and their formats.

Belongs here: selecting, formatting and writing what is published. Does not belong here: computing anything that a
mart does not hold, and opening the warehouse to write.
"""
