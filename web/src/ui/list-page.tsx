import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Pages } from "../data/pages.ts";
import { plural } from "../format.ts";
import { Failure, Page } from "./page.tsx";
import { VirtualList } from "./virtual-list.tsx";

/** A column of a list. */
export interface Column<Item> {
  readonly title: string;
  /** A part of the width (`3fr`), or a length. */
  readonly width: string;
  /** Left out on a phone. */
  readonly isFar?: true;
  /** Classes of its cells. */
  readonly kind?: string;
  readonly cell: (item: Item) => ComponentChildren;
}

interface ListPageProps<Item extends object> {
  readonly title: string;
  /** What one is called, and several. */
  readonly noun: readonly [one: string, others: string];
  readonly list: Pages<Item>;
  /** Made once: what was drawn of an item is drawn no more. */
  readonly columns: readonly Column<Item>[];
  /** Rows of two lines. */
  readonly isTall?: boolean;
  readonly actions: ComponentChildren;
  /** Above the list: filters, notices. */
  readonly children?: ComponentChildren;
  readonly isFiltered?: boolean;
  /** What there is instead of an empty list. */
  readonly empty: ComponentChildren;
}

const ROW_PX = 38;
const TALL_PX = 56;

/** A page with a list of any length. */
export function ListPage<Item extends object>({
  title,
  noun,
  list,
  columns,
  isTall = false,
  actions,
  children,
  isFiltered = false,
  empty,
}: ListPageProps<Item>): JSX.Element {
  const { total, error, at, want } = list;
  const row = useMemo(() => drawer(columns), [columns]);
  return (
    <Page title={title} actions={actions}>
      {children}
      {error !== undefined && <Failure error={error} />}
      <p class="hint result" role="status">
        {total !== undefined
          ? `${plural(total, ...noun)}${isFiltered ? " fit" : ""}`
          : error === undefined && "Loading…"}
      </p>
      {total === 0
        ? empty
        : total !== undefined && (
            <VirtualList
              label={title}
              length={total}
              rowHeight={isTall ? TALL_PX : ROW_PX}
              columns={widthsOf(columns)}
              narrow={widthsOf(columns.filter(({ isFar }) => isFar !== true))}
              head={<Head columns={columns} />}
              row={(index) => row(at(index))}
              onRange={want}
            />
          )}
    </Page>
  );
}

function widthsOf(columns: readonly Pick<Column<never>, "width">[]): string {
  return columns.map(({ width }) => (width.endsWith("fr") ? `minmax(0, ${width})` : width)).join(" ");
}

function classOf({ isFar, kind }: Pick<Column<never>, "isFar" | "kind">): string | undefined {
  return [kind, isFar === true ? "far" : ""].filter(Boolean).join(" ") || undefined;
}

/** A title is set as the others are, whatever stands below it. */
function headClassOf({ isFar, kind }: Pick<Column<never>, "isFar" | "kind">): string | undefined {
  return classOf({ ...(isFar === true ? { isFar } : {}), ...(kind === "num" ? { kind } : {}) });
}

function Head({ columns }: { readonly columns: readonly Omit<Column<never>, "cell">[] }): JSX.Element {
  return (
    <>
      {columns.map((column) => (
        <span key={column.title} role="columnheader" class={headClassOf(column)}>
          {column.title === "Actions" ? <span class="hidden">Actions</span> : column.title}
        </span>
      ))}
    </>
  );
}

/** Rows as they were drawn: what is in sight already costs nothing while somebody scrolls. */
function drawer<Item extends object>(
  columns: readonly Column<Item>[],
): (item: Item | undefined) => JSX.Element {
  const rows = new WeakMap<Item, JSX.Element>();
  return (item) => {
    if (item === undefined)
      return (
        <span role="cell" class="hint">
          …
        </span>
      );
    const known = rows.get(item);
    if (known !== undefined) return known;
    const row = (
      <>
        {columns.map((column) => (
          <span key={column.title} role="cell" class={classOf(column)}>
            {column.cell(item)}
          </span>
        ))}
      </>
    );
    rows.set(item, row);
    return row;
  };
}

/** Tags, as many as have room. */
export function Tags({
  tags = {},
}: {
  readonly tags: { readonly [key: string]: string } | undefined;
}): JSX.Element {
  return (
    <span class="tags">
      {Object.entries(tags)
        .slice(0, 2)
        .map(([key, value]) => (
          <span class="tag" key={key}>
            {key}={value}
          </span>
        ))}
    </span>
  );
}
