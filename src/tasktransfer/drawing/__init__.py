"""What every figure stands on: style, labels, number formats, heat map."""
