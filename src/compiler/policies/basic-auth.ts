import type { BasicAuthPolicy } from "../../model/api.ts";
import type { PolicyHandler } from "./handler-json.ts";
import { literal, sortedEntries } from "./literal.ts";

/** 401 without the name and password of one of the users. */
export function basicAuthHandlers({ users }: BasicAuthPolicy): readonly PolicyHandler[] {
  const accounts = sortedEntries(users).map(([username, password]) => ({
    username: literal(username),
    password,
  }));
  const isArgon = accounts.every(({ password }) => password.startsWith("$argon2id$"));
  return [
    {
      handler: "authentication",
      providers: {
        http_basic: {
          hash: { algorithm: isArgon ? "argon2id" : "bcrypt" },
          accounts,
          realm: "restricted",
          hash_cache: {},
        },
      },
    },
  ];
}
