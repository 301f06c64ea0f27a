package directory

// Afresh is another directory on the same database, which holds nothing yet.
func (d *Directory) Afresh() *Directory { return New(d.db, d.settings) }
