import { byteSize } from "../model/byte-size.ts";
import type { Policy } from "./policy.ts";

/** https://caddyserver.com/docs/json/apps/http/servers/routes/handle/request_body/ */
interface RequestBodyHandler {
  readonly handler: "request_body";
  readonly max_size: number;
}

/** 413 for larger request bodies. */
export const maxRequestBody: Policy<"max_request_body"> = {
  key: "max_request_body",
  problems(size, report) {
    if (byteSize(size) === undefined) report.refuse("", "write it as 512KB, 10MB or 1GiB");
  },
  handlers(size) {
    const bytes = byteSize(size);
    if (bytes === undefined) throw new RangeError(`${size} is no size`);
    const limit: RequestBodyHandler = { handler: "request_body", max_size: bytes };
    return [limit];
  },
};
