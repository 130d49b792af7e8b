"""Whether to pack a parcel twice before it ships."""
