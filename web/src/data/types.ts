/** The API's own types, made from openapi.json. */
export type * from "../../../src/model/api.ts";
