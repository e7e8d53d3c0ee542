// Says in words why the desktop shows no picture, below the proxy's own status line.
(() => {
  const { ended, lost } = document.currentScript.dataset;
  const ASK_MS = 3000;
  const GIVE_UP_MS = 12000; // the proxy itself tries for half a minute
  const opened = Date.now();
  const status = document.getElementById('status');
  const notice = document.createElement('p');
  let seen = false;
  notice.id = 'desktop-notice';
  notice.setAttribute('role', 'alert');
  notice.hidden = true;
  notice.style.cssText =
    'background:#fff3cd;color:#3d3100;font-size:14px;line-height:1.4;padding:10px 24px';
  document.getElementById('screen').before(notice);

  async function reason(failed) {
    try {
      const answer = await fetch(failed ? 'state?failed=1' : 'state', { redirect: 'manual' });
      return answer.ok ? (await answer.json()).problem : ended;
    } catch {
      return ended;
    }
  }

  function show(sentence) {
    notice.textContent = sentence;
    notice.hidden = sentence === '' || status.textContent === 'Connected';
  }

  async function tell() {
    if (status.textContent === 'Connected') {
      if (!seen) {
        document.querySelector('#screen canvas')?.focus(); // typing works without a click
      }
      seen = true;
      show('');
      return;
    }
    const waited = Date.now() - opened;
    if (seen) {
      const sentence = (await reason(false)) || lost;
      show(sentence);
      if (sentence === ended) {
        clearInterval(asking);
      }
    } else if (waited > ASK_MS / 2) {
      show(await reason(waited > GIVE_UP_MS));
    }
  }

  const asking = setInterval(tell, ASK_MS);
  new MutationObserver(tell).observe(status, { childList: true });
})();
