import { expect, it } from "vitest";
import { looksLikeId, newId } from "../../protocol/ids.ts";

it("a word that only an id looks like is told from words of a text", () => {
  for (const word of ["YC0RDjNYt9xAARgd4eOIab", "YC0RDjNYt9xAARgd4eOIa", "YC0RDjNYt9xAARgd4eOIabc"]) {
    expect(looksLikeId(word), word).toBe(true);
  }
  for (const word of [
    "yes",
    "",
    "counterrevolutionaries",
    "COUNTERREVOLUTIONARIES",
    "getUserByIdFromDatabase",
    "0123456789012345678901",
    "d75bd77ee1cb4a1c8ea2f3",
    "YC0RDjNYt9",
    "YC0RDjNYt9xAARgd4eOIabcdefgh",
    "YC0RDjNYt9-AARgd4eOIab",
  ]) {
    expect(looksLikeId(word), word).toBe(false);
  }
});

it("nearly every id looks like one: few hold no digit", () => {
  const alike = Array.from({ length: 1_000 }, newId).filter(looksLikeId);
  expect(alike.length).toBeGreaterThan(900);
});
