"""The sources that a data set is read from: folders, single files and archives."""
