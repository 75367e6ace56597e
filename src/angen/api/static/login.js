const told = document.getElementById("told");

async function signIn(token) {
  const answer = await fetch("/api/v1/session", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
  });
  if (!answer.ok) {
    told.textContent = answer.status === 401 ? "This is not the token." : "The server refuses.";
    return;
  }
  const next = new URLSearchParams(location.search).get("next") || "/";
  location.replace(/^\/(?![\/\\])/.test(next) ? next : "/");
}

document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(document.getElementById("token").value);
});

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  history.replaceState(null, "", location.pathname + location.search);
  signIn(given);
}
