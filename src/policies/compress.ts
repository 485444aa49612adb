import type { Policy } from "./policy.ts";

const allEncodings = ["zstd", "gzip"] as const;

/** https://caddyserver.com/docs/json/apps/http/servers/routes/handle/encode/ */
interface EncodeHandler {
  readonly handler: "encode";
  readonly encodings: { readonly [name: string]: Readonly<{ [key: string]: never }> };
  readonly prefer: readonly string[];
}

const encode: EncodeHandler = {
  handler: "encode",
  encodings: Object.fromEntries(allEncodings.map((name) => [name, {}])),
  prefer: allEncodings,
};

/** Compresses responses for clients that take it. */
export const compress: Policy<"compress"> = {
  key: "compress",
  handlers: (on) => (on ? [encode] : []),
  modules: (on) => (on ? allEncodings.map((name) => `http.encoders.${name}`) : []),
};
