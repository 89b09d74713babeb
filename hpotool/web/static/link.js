// On optuna-dashboard's pages, which change without loading: the link to ours leads to the study that is open.
"use strict";

document.getElementById("hpotool-pages").addEventListener("click", (event) => {
  const study = location.pathname.match(/\/studies\/(\d+)/);
  const link = event.currentTarget;
  link.href = link.dataset.mount + (study ? `/studies/${study[1]}` : "/");
});
