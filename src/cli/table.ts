/** A column of a table. */
export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | undefined;
}

/** Narrower columns are not cut. */
const NARROW = 12;
const GAP = 2;

/**
 * Lays out the rows of a table, whose widths are those of the first ones: what comes later is cut to them, on a terminal.
 * Pure.
 */
export function tableOf<T>(columns: readonly Column<T>[], first: readonly T[], width: number | undefined) {
  const cells = (row: T): readonly string[] => columns.map(({ value }) => oneLine(value(row) ?? "-"));
  const rows = [columns.map(({ title }) => title), ...first.map(cells)];
  const natural = columns.map((_, index) => Math.max(...rows.map((row) => [...(row[index] ?? "")].length)));
  const widths = width === undefined ? natural : fitted(natural, width);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => {
        const isLast = index === row.length - 1;
        const room = widths[index] ?? 0;
        const text = width === undefined ? cell : cut(cell, room);
        return isLast ? text : text.padEnd(room + GAP);
      })
      .join("")
      .trimEnd();
  return { head: line(rows[0] ?? []), row: (row: T) => line(cells(row)) };
}

/** The lines of a whole table, as wide as it is. */
export function textTable<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly string[] {
  const { head, row } = tableOf(columns, rows, undefined);
  return [head, ...rows.map(row)];
}

/** The widest columns give way until the line fits. */
function fitted(natural: readonly number[], width: number): readonly number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, one) => sum + one, GAP * (widths.length - 1));
  while (total() > width) {
    const widest = Math.max(...widths);
    if (widest <= NARROW) break;
    const over = total() - width;
    const index = widths.indexOf(widest);
    const second = Math.max(NARROW, ...widths.filter((_, other) => other !== index));
    widths[index] = Math.max(widest - over, Math.min(second, widest - 1), NARROW);
  }
  return widths;
}

function cut(text: string, room: number): string {
  const letters = [...text];
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join("")}…`;
}

/** What a stored text says must not move the cursor. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
