"""Processing of images between data set and network: splits, preprocessing, augmentation and exploration."""
