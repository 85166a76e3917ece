package azure

// PartSizeOf is the size of an object's n-th block.
func (o *Options) PartSizeOf(n int) int { return o.partSize(n) }
