"use strict";
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  // Nothing is asked from another host, and no request is sent from this page.
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  hideTestRequestButton: true,
  showDeveloperTools: "never",
  hiddenClients: ["c", "clojure", "csharp", "dart", "fsharp", "java", "js", "kotlin", "objc", "ocaml", "php", "powershell", "r", "ruby", "rust", "swift"],
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
});
