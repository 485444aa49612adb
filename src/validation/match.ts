import type { Problem } from "../errors.ts";
import type { IngressMatchInput } from "../model/api.ts";
import { TOKEN } from "../model/http-token.ts";
import { isPathProblem, normalizePath } from "../model/path.ts";
import { quote, ruleField } from "../model/wording.ts";

/** Headers that are no header any more when a request is matched: the server takes them out. */
const unseen: ReadonlySet<string> = new Set(["host", "transfer-encoding", "trailer"]);
/** RFC 9110 section 5.5, without the obsolete bytes above ASCII, whose encoding differs from client to client. */
const FIELD_VALUE = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/;

/** The problems of path, methods and headers of a rule's match. */
export function matchProblems(match: IngressMatchInput, ruleIndex: number): Problem[] {
  return [
    ...pathProblems(match, ruleIndex),
    ...methodProblems(match, ruleIndex),
    ...matchHeaderProblems(match, ruleIndex),
  ];
}

function pathProblems({ path }: IngressMatchInput, ruleIndex: number): Problem[] {
  if (path === undefined) return [];
  const result = normalizePath(path);
  if (!isPathProblem(result)) return [];
  const field = ruleField(ruleIndex, "match.path.value");
  const message = `invalid match.path ${quote(path.value)} in rule ${ruleIndex}: ${result.problem}`;
  return [{ code: "invalid_path", field, message }];
}

function methodProblems({ methods = [] }: IngressMatchInput, ruleIndex: number): Problem[] {
  return [...methods.entries()]
    .filter(([, method]) => !TOKEN.test(method))
    .map(([index, method]) => ({
      code: "invalid_value",
      field: ruleField(ruleIndex, `match.methods[${index}]`),
      message: `invalid method ${quote(method)} in rule ${ruleIndex}; use names such as GET`,
    }));
}

function matchHeaderProblems({ headers = {} }: IngressMatchInput, ruleIndex: number): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const refuse = (reason: string): void => {
      const field = ruleField(ruleIndex, `match.headers[${quote(name)}]`);
      problems.push({
        code: "invalid_value",
        field,
        message: `invalid header in rule ${ruleIndex}: ${reason}`,
      });
    };
    const lower = name.toLowerCase();
    if (!TOKEN.test(name)) refuse(`${quote(name)} is not an HTTP field name`);
    else if (lower === "host") refuse("the Host header is matched by match.hostname");
    else if (unseen.has(lower)) refuse(`${quote(name)} belongs to the connection and cannot be matched`);
    else if (seen.has(lower)) refuse(`${quote(name)} is given twice; names compare without case`);
    // The value may be a credential, so it is not repeated.
    if (!FIELD_VALUE.test(value))
      refuse(`the value of ${quote(name)} must be ASCII without line breaks or outer spaces`);
    seen.add(lower);
  }
  return problems;
}
