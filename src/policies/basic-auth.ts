import { literal, sortedEntries } from "../caddy-json/literal.ts";
import type { BasicAuthPolicy } from "../model/api.ts";
import { quote } from "../model/wording.ts";
import type { Policy } from "./policy.ts";

/** Slower hashes would let anybody keep Caddy's processors busy by guessing passwords. */
const MAX_BCRYPT_COST = 15;
const MAX_ARGON2_MEMORY_KIB = 256 * 1024;
const MAX_ARGON2_TIME = 16;
const MAX_ARGON2_THREADS = 16;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const ARGON2ID =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/;
// RFC 7617 section 2: a colon ends the name.
const USER_NAME = /^[^\p{Cc}:]+$/u;

/** https://caddyserver.com/docs/json/apps/http/servers/routes/handle/authentication/ */
interface AuthenticationHandler {
  readonly handler: "authentication";
  readonly providers: {
    readonly http_basic: {
      readonly hash: { readonly algorithm: Algorithm };
      readonly accounts: readonly { readonly username: string; readonly password: string }[];
      readonly realm: string;
      /** Hashes are slow by intent: without it each request would pay for one. */
      readonly hash_cache: Readonly<{ [key: string]: never }>;
    };
  };
}

type Algorithm = "bcrypt" | "argon2id";

/** 401 without the name and password of one of the users. */
export const basicAuth: Policy<"basic_auth"> = {
  key: "basic_auth",
  /** Hashes are never repeated in messages, nor what was sent in their place: it may be a password. */
  problems({ users }, report) {
    const algorithms = new Set<Algorithm>();
    for (const [name, hash] of Object.entries(users)) {
      const part = `users[${quote(name)}]`;
      if (!USER_NAME.test(name)) report.refuse(part, "a user name has no colon and no control characters");
      const problem = hashProblem(hash);
      if (problem !== undefined) report.refuse(part, problem);
      else algorithms.add(algorithmOf(hash));
    }
    if (algorithms.size > 1) {
      report.refuse("users", "bcrypt and argon2id hashes are mixed; use one kind for all users of a rule");
    }
  },
  handlers(value) {
    const accounts = sortedEntries(value.users).map(([username, password]) => ({
      username: literal(username),
      password,
    }));
    const hash = { algorithm: algorithm(value) };
    const handler: AuthenticationHandler = {
      handler: "authentication",
      providers: { http_basic: { hash, accounts, realm: "restricted", hash_cache: {} } },
    };
    return [handler];
  },
  modules: (value) => [
    "http.authentication.providers.http_basic",
    `http.authentication.hashes.${algorithm(value)}`,
  ],
};

function algorithm({ users }: BasicAuthPolicy): Algorithm {
  return Object.values(users).every((hash) => algorithmOf(hash) === "argon2id") ? "argon2id" : "bcrypt";
}

function algorithmOf(hash: string): Algorithm {
  return hash.startsWith("$argon2id$") ? "argon2id" : "bcrypt";
}

function hashProblem(hash: string): string | undefined {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt !== null) {
    const cost = Number(bcrypt[1]);
    return cost >= 4 && cost <= MAX_BCRYPT_COST
      ? undefined
      : `the cost of a bcrypt hash must be 4 to ${MAX_BCRYPT_COST}`;
  }
  const argon = ARGON2ID.exec(hash);
  if (argon !== null) {
    const [memory = 0, time = 0, threads = 0] = argon.slice(1, 4).map(Number);
    const fits =
      memory >= 8 * threads &&
      memory <= MAX_ARGON2_MEMORY_KIB &&
      time >= 1 &&
      time <= MAX_ARGON2_TIME &&
      threads >= 1 &&
      threads <= MAX_ARGON2_THREADS;
    return fits
      ? undefined
      : `an argon2id hash may take m up to ${MAX_ARGON2_MEMORY_KIB}, t up to ${MAX_ARGON2_TIME} and p up to ${MAX_ARGON2_THREADS}`;
  }
  return "it is not a bcrypt or argon2id hash; make one by `htpasswd -nB ann` or `caddy hash-password`, never send the password";
}
