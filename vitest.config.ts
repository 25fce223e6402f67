import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Most of a test's time is waiting for a broker or a Pi: more files than cores can run side by side.
    maxWorkers: 3,
  },
});
