"""What a training reads: labels, images, index, splits, sampling, augmentation."""
