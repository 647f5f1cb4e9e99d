// Tables: the trials of a page's document as CSV, as spreadsheet.py writes it: no cell of it is a formula.
window.csv = text => {
  const cell = value => {
    const written = value == null ? "" : String(value).replace(/"/g, '""');
    return '"' + (/^[=+\-@\t\r]/.test(written) && isNaN(written) ? "'" : "") + written + '"';
  };
  const { columns, rows } = JSON.parse(text).trials;
  return [columns, ...rows].map(row => row.map(cell).join() + "\r\n").join("");
};
