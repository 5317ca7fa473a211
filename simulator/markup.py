"""The frame of the simulator's pages: plain HTML without script, light and dark, for any width."""

from html import escape

from aiohttp import web

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8888; --accent: light-dark(#0b5fae, #7db8f5); }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 0 auto; padding: 1rem; }}
fieldset {{ border: 1px solid var(--line); border-radius: .5rem; margin: 1rem 0; }}
label {{ display: block; padding: .6rem 0; }}
input:not([type=radio]) {{ display: block; width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; }}
button {{ font: inherit; padding: .7rem 1.2rem; margin: .3rem .5rem .3rem 0; border-radius: .5rem;
  border: 1px solid var(--accent); background: none; color: var(--accent); }}
button.first {{ background: var(--accent); color: light-dark(#fff, #000); }}
:focus-visible {{ outline: 3px solid var(--accent); outline-offset: 2px; }}
.note {{ border-left: .3rem solid var(--accent); padding-left: .8rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def document(title: str, body: str, *, status: int = 200) -> web.Response:
    """Return a page; the title is made safe, the body is HTML already."""
    text = FRAME.format(title=escape(title), body=body)
    return web.Response(text=text, content_type="text/html", status=status, headers={"cache-control": "no-store"})


def button(do: str, label: str, *, first: bool = False, valid: bool = True) -> str:
    """Return a button that submits its form as `do`; without `valid` even where a field is empty."""
    extra = (" class=first" if first else "") + ("" if valid else " formnovalidate")
    return f'<button name="do" value="{escape(do)}"{extra}>{escape(label)}</button>'
