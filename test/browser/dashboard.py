"""The dashboard in a browser: dashboard.py WORK_FOLDER, or dashboard.py WORK_FOLDER look FOLDER for pictures of it."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from prometheus_client.parser import text_string_to_metric_families
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync --hide-scrollbars --force-prefers-reduced-motion""".split()
HOSTILE = '"><img src=x onerror=alert(1)>'
PATIENCE = 20


def until(what, look, patience=PATIENCE):
    """What look() gives once that is something; else it names what was waited for."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)
    return found


class Server:
    """The nodes, and what they say of themselves."""

    def __init__(self, nodes):
        self.process = subprocess.Popen(["escript", "test/browser/serve.escript", str(nodes)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url
        self.root, self.token = self.url.split("?token=")

    def ask(self, question):
        print(question, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def state(self, name):
        state, generation = self.ask(f"state {name}").split()
        return state, int(generation)

    def get(self, path, data=None, **headers):
        """Without a browser: status and text."""
        request = urllib.request.Request(self.root + path, data=data,
                                         headers={name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            print("end", file=self.process.stdin, flush=True)
        self.process.wait(timeout=30)


class Page:
    """A browser of its own, with nothing from before."""

    def __init__(self, width, height, dark=False, scale=1):
        self.profile = tempfile.mkdtemp()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in [*FLAGS, f"--user-data-dir={self.profile}", f"--force-device-scale-factor={scale}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(30)
        self.driver.get("about:blank")
        self.driver.get_log("performance")  # of the browser's own first page
        self.size(width, height, scale, dark)

    def size(self, width, height, scale=1, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """All texts at once, as rows come and go meanwhile."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def row(self, name):
        """Of a population: its cells by their names."""
        return self.driver.execute_script(
            """const row = [...document.querySelectorAll('#populations tbody tr')].find((r) => r.children[0].textContent === arguments[0]);
               return row ? Object.fromEntries([...row.children].map((c) => [c.dataset.label ?? 'last', c.textContent])) : null""", name)

    def button(self, label):
        found = [b for b in self.all("button") if (b.get_attribute("aria-label") or b.text) == label]
        assert len(found) == 1, (label, [b.get_attribute("aria-label") or b.text for b in self.all("button")])
        return found[0]

    def live(self):
        return until("a live page", lambda: self.text("#link") == ["live"] and self.text("#populations tbody tr"))

    def picture(self, name, attribute="aria-label"):
        """What it says of itself; it is drawn anew all the time."""
        script = "return document.querySelector(arguments[0])?.getAttribute(arguments[1])"
        return until(f"the picture {name}", lambda: self.driver.execute_script(script, f"[data-picture={name}] svg", attribute))

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)


# ---- what is to be so


def it_is_locked(server, page):
    page.driver.get(server.root)
    assert page.text("h1") == ["This dashboard asks for its token"]
    assert server.get("health") == (200, '{"status":"ok"}')
    assert [server.get(path)[0] for path in ("metrics", "events", "picture/mesh", "dashboard.js")] == [401] * 4
    assert server.get("pause", b"population=pole", x_cambrian="1")[0] == 401
    until("what the browser says of that", page.complaints)


def a_token_opens_it(server, page):
    field = page.all("input[name=token]")[0]
    field.send_keys(server.token)
    page.button("Open").click()
    page.live()
    assert page.driver.current_url == server.root, "the token stays in the address"
    assert page.driver.execute_script("return document.cookie") == "", "a script can read the session"
    cookies = page.driver.get_cookies()
    assert len(cookies) == 1 and server.token not in str(cookies), cookies
    assert (cookies[0]["httpOnly"], cookies[0]["sameSite"]) == (True, "Strict"), cookies


def the_cookie_alone_changes_nothing(server, page):
    cookie, = page.driver.get_cookies()
    sent = f"{cookie['name']}={cookie['value']}"
    assert server.get("metrics", cookie=sent)[0] == 200
    assert server.get("pause", b"population=pole", cookie=sent, x_cambrian="1")[0] == 403
    assert server.state("pole")[0] == "running"


def follow(page, url):
    """A link on a page of another origin."""
    page.driver.get(f"data:text/html,<a href='{url}'>go</a>")
    page.all("a")[0].click()


def it_logs_out_and_in(server, page):
    follow(page, server.root)
    page.live()
    page.button("Log out").click()
    until("the locked page", lambda: page.text("h1") == ["This dashboard asks for its token"])
    assert page.driver.get_cookies() == []
    assert page.driver.execute_script("return localStorage.length") == 0
    follow(page, server.root)
    until("the locked page", lambda: page.text("h1") == ["This dashboard asks for its token"])
    follow(page, server.url)
    page.live()
    assert page.driver.current_url == server.root, "the token stays in the address"
    assert all(server.token not in entry["url"] for entry in page.driver.execute_cdp_cmd("Page.getNavigationHistory", {})["entries"][-1:])
    page.complaints()  # of the locked page
    page.requests()    # and of the page with the link


def numbers_change(server, page):
    first = until("a generation", lambda: page.row("pole")["generation"])
    until("another generation", lambda: page.row("pole")["generation"] != first)
    assert page.row("gate")["state"] == "solved"
    assert page.row("gate")["best"].startswith("3.")
    until("evaluations per second", lambda: page.row("pole")["evaluations/s"] not in ("", "0"))


def it_pauses_and_resumes(server, page):
    page.button("Pause pole").click()
    until("a paused population", lambda: server.state("pole")[0] == "paused")
    until("its row", lambda: page.row("pole")["state"] == "paused")
    assert "pole is paused." in page.text("#said")
    # the generation that is under way ends first
    time.sleep(0.5)
    before = server.state("pole")
    time.sleep(0.5)
    assert server.state("pole") == before, "it goes on"
    # this one by the keyboard
    page.button("Resume pole").send_keys(Keys.ENTER)
    until("a running population", lambda: server.state("pole")[0] == "running")
    until("its row", lambda: page.row("pole")["state"] == "running")
    until("its next generation", lambda: server.state("pole")[1] > before[1])


def a_click_shows_the_champion(server, page):
    until("a champion", lambda: page.text("#champion-id") != [""])
    other = page.text("#champion-id")
    page.driver.execute_script("[...document.querySelectorAll('button.name')].find((b) => b.textContent === 'gate').click()")
    until("gate's champion", lambda: page.text("#champion-id") not in ([""], other))
    assert "gate" in page.text("#champion-title")[0]
    for name in ("fitness", "species", "diversity", "size", "champion"):
        page.picture(name)
    until("its network", lambda: "2 inputs" in page.picture("champion"))
    nodes = page.driver.execute_script("return document.querySelectorAll('[data-picture=champion] g.cb-node').length")
    assert nodes >= 3, nodes


def the_mesh_is_shown(server, page):
    until("the other node", lambda: page.text("#peers tbody tr"))
    until("migrants", lambda: "sent" in page.picture("mesh")
          and "sent 0" not in page.picture("mesh"), 40)
    until("migrations", lambda: " of " in page.picture("migrations"), 40)
    assert page.text("#peers tbody th")[0].startswith("hallucigenia_")


def it_bans_and_unbans(server, page):
    key = page.driver.execute_script("return document.querySelector('#peers code').title")
    name = page.text("#peers tbody th")[0]
    page.button(f"Ban {name}, key {key[:8]}").click()
    until("a ban", lambda: server.ask(f"banned {key}") == "true")
    until("its row", lambda: "banned" in page.text("#peers tbody tr")[0] and "by hand" in page.text("#bans")[0])
    fields = urllib.parse.urlencode({"realm": "org.example.browser", "key": key}).encode()
    assert server.get("unban", fields, x_cambrian="1")[0] == 401
    assert server.get("unban", fields, x_cambrian="1", authorization="Bearer not-the-token-at-all")[0] == 401
    assert server.get("unban", fields, authorization=f"Bearer {server.token}")[0] == 403
    assert server.get("unban", fields, x_cambrian="1", origin="http://evil.example", authorization=f"Bearer {server.token}")[0] == 403
    assert server.ask(f"banned {key}") == "true"
    page.button(f"Unban {name}, key {key[:8]}").click()
    until("no ban", lambda: server.ask(f"banned {key}") == "false")


def names_are_only_text(server, page):
    assert server.ask("ill") == "ok"
    until("its row", lambda: page.row(HOSTILE))
    assert page.text("img") == [] and page.all("script:not([src='dashboard.js'])") == []


def it_can_be_used_without_eyes(server, page):
    nameless = page.driver.execute_script(
        "return [...document.querySelectorAll('button')].filter((b) => !(b.getAttribute('aria-label') || b.textContent.trim())).length")
    assert nameless == 0
    unsaid = page.driver.execute_script("return [...document.querySelectorAll('.picture svg')].filter((s) => !s.getAttribute('aria-label')).length")
    assert unsaid == 0
    for landmark in ("header", "main", "footer"):
        assert len(page.all(landmark)) == 1
    assert page.all("[aria-live=polite]") and page.all("[role=status]")
    first = page.all("a, button")[0]
    page.driver.execute_script("arguments[0].focus()", first)
    assert first.text == "To the populations" and first.rect["x"] >= 0


def it_fits_a_phone(server, page):
    page.size(390, 844)
    until("narrow pictures", lambda: page.picture("champion", "width") == "360")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= 390
    small = page.driver.execute_script(
        "return [...document.querySelectorAll('button.act, #bans button')].filter((b) => b.getBoundingClientRect().height < 44).length")
    assert small == 0, "buttons that a finger misses"
    page.size(1280, 900)


def it_comes_back(server, page):
    assert server.ask("break") == "ok"
    until("that the page says so", lambda: page.text("#link") == ["connection lost"])
    page.live()
    first = page.row("pole")["generation"]
    until("another generation", lambda: page.row("pole")["generation"] != first)


def sessions_end_with_it(server, page):
    assert server.ask("down") == "ok"
    until("that the page says so", lambda: page.text("#link") == ["connection lost"])
    assert server.ask("up") == "ok"
    until("that the page says so", lambda: page.text("#link") == ["logged out: open this page again"])
    page.driver.get(server.url)
    page.live()
    assert page.driver.current_url == server.root


def others_can_read_it(server, page):
    status, text = server.get("metrics", authorization=f"Bearer {server.token}")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    one = {sample.labels["population"]: sample for sample in families["cambrian_generation"].samples}
    assert set(one) == {"pole", "gate"} and one["gate"].value >= 20 and one["gate"].labels["task"] == "xor"
    assert families["cambrian_evaluations"].type == "counter"
    assert families["cambrian_mesh_received"].samples[0].value > 0
    assert all(family.documentation for family in families.values())
    status, text = server.get("health", authorization=f"Bearer {server.token}")
    health = json.loads(text)
    assert (status, health["status"], health["mesh"]["realms"]) == (200, "ok", [{"name": "org.example.browser", "connected": True}])


def nothing_was_amiss(server, page):
    asked = page.requests()
    assert len(asked) > 20 and all(url.startswith(server.root) for url in asked), set(asked)
    # while it was down, the browser complained of that
    amiss = [text for text in page.complaints() if "ERR_CONNECTION_REFUSED" not in text and "ERR_INCOMPLETE_CHUNKED" not in text
             and "ERR_EMPTY_RESPONSE" not in text and "ERR_CONNECTION_RESET" not in text
             and "401 (Unauthorized)" not in text]
    assert amiss == [], amiss


STEPS = [it_is_locked, a_token_opens_it, the_cookie_alone_changes_nothing, it_logs_out_and_in, numbers_change, it_pauses_and_resumes, a_click_shows_the_champion, the_mesh_is_shown,
         it_bans_and_unbans, names_are_only_text, it_can_be_used_without_eyes, it_fits_a_phone, it_comes_back, sessions_end_with_it, others_can_read_it,
         nothing_was_amiss]


def test(work):
    server, page = Server(2), Page(1280, 900)
    try:
        for step in STEPS:
            start = time.monotonic()
            try:
                step(server, page)
            except Exception:
                page.driver.save_screenshot(os.path.join(work, "failed.png"))
                raise
            print(f"- {step.__name__.replace('_', ' ')} ({time.monotonic() - start:.1f} s)", flush=True)
    finally:
        page.close()
        server.end()


def look(folder):
    """The page at a desk and in a hand, light and dark, after some time of evolution."""
    os.makedirs(folder, exist_ok=True)
    server = Server(3)
    try:
        time.sleep(float(os.environ.get("SECONDS", "40")))
        for name, width, height, dark in (("desk", 1280, 900, False), ("desk-dark", 1280, 900, True),
                                          ("phone", 390, 844, False), ("phone-dark", 390, 844, True)):
            page = Page(width, height, dark)
            try:
                page.driver.get(server.url)
                page.live()
                page.driver.execute_script("[...document.querySelectorAll('button.name')].find((b) => b.textContent === 'pole').click()")
                for picture in ("fitness", "species", "champion", "mesh", "migrations"):
                    page.picture(picture)
                time.sleep(3)
                page.driver.save_screenshot(os.path.join(folder, f"{name}.png"))
                tall = page.driver.execute_script("return document.documentElement.scrollHeight")
                page.size(width, tall, 1, dark)
                time.sleep(1)
                page.driver.save_screenshot(os.path.join(folder, f"{name}-all.png"))
            finally:
                page.close()
    finally:
        server.end()


if __name__ == "__main__":
    if sys.argv[2:3] == ["look"]:
        look(sys.argv[3])
    else:
        test(sys.argv[1])
