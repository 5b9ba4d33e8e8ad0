"""What happens to images between a data set and a network: splits, preprocessing, augmentation, a first look."""
