/** The header of `GET /ingresses` with the id of the store that answers. */
export const STORE_HEADER = "Gatewright-Store";
