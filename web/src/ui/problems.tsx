import type { JSX } from "preact";
import type { Problem } from "../data/types.ts";
import { href } from "../router.ts";

const namingOthers: ReadonlySet<string> = new Set([
  "hostname_in_use",
  "port_in_use",
  "tls_options_conflict",
  "already_exists",
]);

/** The ingress that a problem names as the one in the way. */
function otherIngress({ code, message }: Problem): string | undefined {
  if (!namingOthers.has(code)) return undefined;
  return /\bingress (?:with name )?"([a-z0-9-]+)"/.exec(message)?.[1];
}

/** What is wrong, with the way to the ingress that is in the way. */
export function ProblemText({ problem }: { readonly problem: Problem }): JSX.Element {
  const other = otherIngress(problem);
  return (
    <>
      {problem.message}
      {other !== undefined && (
        <>
          {" "}
          <a href={href(["ingresses", other])}>Go to {other}</a>
        </>
      )}
    </>
  );
}

export function Problems({ problems }: { readonly problems: readonly Problem[] }): JSX.Element {
  return (
    <ul>
      {problems.map((problem) => (
        <li key={`${problem.field} ${problem.message}`}>
          {problem.field && <code>{problem.field}</code>} <ProblemText problem={problem} />
        </li>
      ))}
    </ul>
  );
}
