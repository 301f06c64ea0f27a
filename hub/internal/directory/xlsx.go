package directory

import (
	"errors"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"
)

// ErrNoSpreadsheet says that a file is no XLSX that can be read.
var ErrNoSpreadsheet = errors.New("the file is no XLSX spreadsheet")

// ReadXLSX reads the first sheet of a spreadsheet, the head first. Fields come as
// they are kept, not as they are shown: a NIP that is kept as a number is told.
func ReadXLSX(r io.Reader) (rows [][]Cell, err error) {
	book, err := excelize.OpenReader(&limited{r: r, left: MaxFile}, excelize.Options{
		RawCellValue:   true,
		UnzipSizeLimit: MaxFile,
		// No sheet is unpacked to the disk: it holds personal data.
		UnzipXMLSizeLimit: MaxFile,
	})
	if errors.Is(err, ErrTooLarge) {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSpreadsheet, err)
	}
	defer func() { err = errors.Join(err, book.Close()) }()
	sheet := book.GetSheetName(0)
	lines, err := book.Rows(sheet)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSpreadsheet, err)
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	for lines.Next() {
		if len(rows) > MaxRows {
			return nil, ErrTooLarge
		}
		texts, err := lines.Columns()
		if err != nil {
			return nil, fmt.Errorf("%w: row %d: %w", ErrNoSpreadsheet, len(rows)+1, err)
		}
		row := make([]Cell, len(texts))
		for i, text := range texts {
			row[i].Text = text
			if text == "" {
				continue
			}
			if row[i].Number, err = isNumber(book, sheet, i+1, len(rows)+1); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, lines.Error()
}

func isNumber(book *excelize.File, sheet string, column, row int) (bool, error) {
	name, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		return false, err
	}
	kind, err := book.GetCellType(sheet, name)
	return kind == excelize.CellTypeUnset || kind == excelize.CellTypeNumber, err
}

// WriteXLSX writes a table with all fields as text, so that no NIP is rounded.
func WriteXLSX(w io.Writer, table [][]string) (err error) {
	book := excelize.NewFile()
	defer func() { err = errors.Join(err, book.Close()) }()
	out, err := book.NewStreamWriter(book.GetSheetName(0))
	if err != nil {
		return fmt.Errorf("write spreadsheet: %w", err)
	}
	for i, row := range table {
		cells := make([]any, len(row))
		for j, text := range row {
			cells[j] = text
		}
		name, err := excelize.CoordinatesToCellName(1, i+1)
		if err == nil {
			err = out.SetRow(name, cells)
		}
		if err != nil {
			return fmt.Errorf("write spreadsheet: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write spreadsheet: %w", err)
	}
	return book.Write(w)
}
