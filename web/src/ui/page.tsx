import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ApiError } from "../data/client.ts";
import type { Resource } from "../data/resource.ts";
import { Notice } from "./status.tsx";

interface PageProps {
  readonly title: string;
  /** Where this page belongs: the way back. */
  readonly up?: { readonly href: string; readonly label: string };
  readonly actions?: ComponentChildren;
  readonly children?: ComponentChildren;
}

let isFirst = true;

/** A page with its heading, which takes the focus when somebody comes to it from another page. */
export function Page({ title, up, actions, children }: PageProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Gatewright`;
    if (!isFirst) heading.current?.focus({ preventScroll: true });
    if (!isFirst) scrollTo(0, 0);
    isFirst = false;
  }, [title]);
  return (
    <>
      <header class="page-head">
        <div>
          {up && (
            <a class="up" href={up.href}>
              {up.label}
            </a>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

/** A part of a page with a heading. */
export function Section({
  title,
  aside,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="section" aria-label={title}>
      <div class="section-head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** What there is nothing of yet, and what to do next. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Draws what a resource has; until then, or where it fails, says so. */
export function Loaded<T>({
  of: { data, error },
  children,
}: {
  readonly of: Resource<T>;
  readonly children: (data: T) => ComponentChildren;
}): JSX.Element {
  if (error !== undefined) return <Failure error={error} />;
  if (data === undefined) return <p class="loading">Loading…</p>;
  return <>{children(data)}</>;
}

/** Why a call failed, with every problem. */
export function Failure({ error }: { readonly error: ApiError }): JSX.Element {
  const details = error.details.filter(({ message }) => message !== error.message);
  return (
    <Notice tone="bad" title={headline(error)}>
      <p>{error.message}</p>
      {details.length > 0 && (
        <ul>
          {details.map(({ field, message }) => (
            <li key={`${field} ${message}`}>
              {field && <code>{field}</code>} {message}
            </li>
          ))}
        </ul>
      )}
    </Notice>
  );
}

function headline({ status, code }: ApiError): string {
  if (code === "unreachable") return "The API does not answer";
  if (status === 403) return "Your token does not permit this";
  if (status === 404) return "There is no such thing";
  return status === 503 ? "Not available just now" : `Refused: ${code}`;
}
