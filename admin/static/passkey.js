// Asks the browser for a passkey, and sends its answer with the form of the page.
"use strict";

const form = document.getElementById("passkey");
const button = form.querySelector("button");
const show = (id, shown) => { document.getElementById(id).hidden = !shown; };

const bytes = (text) => Uint8Array.from(
  atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const named = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function asked() {
  const options = JSON.parse(form.dataset.options);
  options.challenge = bytes(options.challenge);
  if (options.user) {
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = named(options.excludeCredentials);
    const made = await navigator.credentials.create({ publicKey: options });
    return [made, {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
    }];
  }
  options.allowCredentials = named(options.allowCredentials);
  const shown = await navigator.credentials.get({ publicKey: options });
  return [shown, {
    clientDataJSON: text(shown.response.clientDataJSON),
    authenticatorData: text(shown.response.authenticatorData),
    signature: text(shown.response.signature),
  }];
}

async function ask() {
  show("passkey-failed", false);
  button.disabled = true;
  try {
    const [credential, response] = await asked();
    const answer = { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
    form.elements.credential.value = JSON.stringify(answer);
    form.submit();
  } catch {
    button.disabled = false;
    show("passkey-failed", true);
    button.focus();
  }
}

show("passkey-unscripted", false);
if (window.PublicKeyCredential) {
  show("passkey-asked", true);
  button.hidden = false;
  form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  ask();
} else {
  show("passkey-none", true);
}
