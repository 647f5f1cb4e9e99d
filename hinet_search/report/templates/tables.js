// Tables: the trials of a page's document as CSV with formulas escaped, as in spreadsheet.py.
window.csv = text => {
  const cell = value => {
    const written = value == null ? "" : String(value).replace(/"/g, '""');
    return '"' + (/^[=+\-@\t\r]/.test(written) && isNaN(written) ? "'" : "") + written + '"';
  };
  const { columns, rows } = JSON.parse(text).trials;
  return [columns, ...rows].map(row => row.map(cell).join() + "\r\n").join("");
};
