import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface VirtualListProps {
  readonly label: string;
  readonly length: number;
  readonly rowHeight: number;
  /** Widths of the columns, as CSS has them, and of those that a phone shows. */
  readonly columns: string;
  readonly narrow: string;
  readonly head: ComponentChildren;
  /** Draws a row, which has a height of `rowHeight`. */
  readonly row: (index: number) => ComponentChildren;
  /** Told which rows are in sight. */
  readonly onRange: (first: number, last: number) => void;
}

/** Rows beyond those in sight, so that a quick scroll shows no gap. */
const BEYOND = 12;
/** Browsers draw no taller element; what lies beyond is found by searching. */
const TALLEST_PX = 15_000_000;

/**
 * A list of any length, of which only what is in sight is drawn. It is a table to screen readers, which are told the number of
 * all rows and the place of each.
 */
export function VirtualList({
  label,
  length,
  rowHeight,
  columns,
  narrow,
  head,
  row,
  onRange,
}: VirtualListProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ first: 0, last: 40 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = (): void => {
      // The head covers no row: it stands above the first.
      const first = Math.max(0, Math.floor(element.scrollTop / rowHeight) - BEYOND);
      const last = Math.ceil((element.scrollTop + element.clientHeight) / rowHeight) + BEYOND;
      setRange((old) => (old.first === first && old.last === last ? old : { first, last }));
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      observer.disconnect();
    };
  }, [rowHeight]);
  const first = Math.min(range.first, Math.max(0, length - 1));
  const last = Math.min(range.last, length);
  useEffect(() => onRange(first, last), [first, last, onRange]);
  const rows: ComponentChildren[] = [];
  for (let index = first; index < last; index++)
    rows.push(
      <div
        key={index}
        role="row"
        aria-rowindex={index + 2}
        class="v-row"
        style={{ top: `${index * rowHeight}px`, height: `${rowHeight}px` }}
      >
        {row(index)}
      </div>,
    );
  return (
    <div
      class="v-list"
      ref={box}
      role="table"
      aria-label={label}
      aria-rowcount={length + 1}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
      tabIndex={0}
      style={{ "--columns": columns, "--narrow": narrow }}
    >
      <div role="row" aria-rowindex={1} class="v-row v-head">
        {head}
      </div>
      <div role="rowgroup" class="v-rows" style={{ height: `${Math.min(length * rowHeight, TALLEST_PX)}px` }}>
        {rows}
      </div>
    </div>
  );
}
