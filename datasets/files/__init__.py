"""Where the files of a data set lie: folders, single files and archives."""
