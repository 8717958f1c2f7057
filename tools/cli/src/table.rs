//! Tables on the console. Called by the commands that list something.

/// Columns aligned to the left, two spaces apart; columns in which no line has anything are left out.
pub(crate) fn render(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut lines = vec![header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows);
    let blank = |column: usize| lines.iter().skip(1).all(|line| line.get(column).is_none_or(String::is_empty));
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let columns: Vec<(usize, usize)> = (0..header.len())
        .filter(|column| !blank(*column))
        .map(|column| (column, width(column).unwrap_or_default()))
        .collect();
    let mut table = String::new();
    for line in &lines {
        let cells = columns.iter().filter_map(|(column, width)| Some(format!("{:width$}", line.get(*column)?)));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}
