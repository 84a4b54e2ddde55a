// Buys two seats with openapi-fetch and the types that openapi-typescript generates: buy_two_seats.js URL PDF_FILE.
//
// Prints what was bought as JSON. Compiled and run by test_generated_clients.py.

import createClient from "openapi-fetch";
import type { components, paths } from "./rowlock.js";

type Problem = components["schemas"]["Problem"];

// What Node has and browsers have not, so that no types of Node are needed.
declare const process: { argv: string[]; getBuiltinModule(name: "node:fs"): { writeFileSync(path: string, data: Uint8Array): void } };

function granted<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.data === undefined) throw new Error(`refused: ${JSON.stringify(answer.error)}`);
  return answer.data;
}

const [url, pdfFile] = process.argv.slice(2) as [string, string];
// Not the two bits for each seat that the same operation has, too.
const client = createClient<paths, "application/json" | "application/problem+json" | "application/pdf">({ baseUrl: url });

const shows = granted(await client.GET("/api/shows")).shows;
const show = shows.find((each) => each.status === "on_sale");
if (show === undefined) throw new Error("no show is on sale");
const path = { show_id: show.show_id };
const prices = granted(await client.GET("/api/shows/{show_id}", { params: { path } })).prices;
const { seats } = granted(await client.GET("/api/shows/{show_id}/seats", { params: { path } }));
const available = seats.filter((seat) => seat.status === "available").map((seat) => seat.seat_id);
const [first, second] = available;
if (first === undefined || second === undefined) throw new Error("sold out");

const hold = granted(
  await client.POST("/api/seat-reservations/reserve-v2", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { show_id: show.show_id, seat_ids: [first, second], session_id: crypto.randomUUID() },
  }),
);
const order = granted(
  await client.POST("/api/ticket-orders", {
    body: {
      reservation_token: hold.reservation_token,
      customer: { name: "Anna Bauer", email: "anna@example.org" },
      tickets: [{ seat_id: first, price_type: "child" }],
    },
  }),
);
const order_id = order.order_id;
const headers = { Authorization: `Bearer ${order.order_token}` };
const { payment_intent_id } = granted(
  await client.POST("/api/ticket-orders/payment-intent-v2", { headers, body: { order_id } }),
);
granted(
  await client.POST("/api/sandbox/payment-intents/{id}/authorize", {
    params: { path: { id: payment_intent_id } },
    body: { outcome: "delay", after_seconds: 0.3 },
  }),
);
const deadline = Date.now() + 20_000;
for (;;) {
  const purchase = granted(
    await client.POST("/api/ticket-orders/confirm", { headers, body: { order_id, payment_intent_id } }),
  );
  if (purchase.status === "paid" || Date.now() > deadline) break;
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const bought = granted(await client.GET("/api/ticket-orders/{order_id}", { headers, params: { path: { order_id } } }));
const pdf = granted(
  await client.GET("/api/ticket-orders/{order_id}/tickets.pdf", {
    headers,
    params: { path: { order_id } },
    parseAs: "arrayBuffer",
  }),
);
process.getBuiltinModule("node:fs").writeFileSync(pdfFile, new Uint8Array(pdf));

function price(line: components["schemas"]["LineView"]): number {
  const found = prices.find((each) => each.category === line.category && each.price_type === line.price_type);
  if (found === undefined) throw new Error(`no price for ${line.seat_label}`);
  return found.amount_minor;
}

console.log(
  JSON.stringify({
    order_id: bought.order_id,
    status: bought.status,
    seat_ids: bought.tickets.map((ticket) => ticket.seat_id),
    total_minor: bought.total_minor,
    expected_minor: bought.lines.reduce((sum, line) => sum + price(line), bought.fee_minor),
  }),
);
