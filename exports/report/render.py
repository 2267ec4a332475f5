"""The audit document as Markdown and as one HTML file."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from exports.folders import replacing
from exports.marts import Window
from exports.report.document import Document, Section, audit_document

_CSS = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;font-size:13px;margin:.6em 0}td,th{border:1px solid #ccc;padding:2px 8px;text-align:right}
td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;padding:.7em;overflow:auto;font-size:12px}
details{margin:.3em 0 1.2em}summary{cursor:pointer;color:#1b6ca8}.wide{overflow-x:auto}
"""


def export_audit(marts: Path, out: Path, window: Window) -> list[Path]:
    """Write audit.md, audit.html and a <section>.svg per chart below <out>/<window>, replacing that folder whole.

    Raises SourceError, NoSpaceError, DestinationError.
    """
    document = audit_document(marts, window)
    with replacing(out / window.name) as folder:
        (folder / "audit.md").write_text(as_markdown(document))
        (folder / "audit.html").write_text(as_html(document))
        for section in document.sections:
            if section.chart:
                (folder / f"{section.id}.svg").write_text(section.chart)
        names = sorted(path.name for path in folder.iterdir())
    return [out / window.name / name for name in names]


def as_markdown(document: Document) -> str:
    """The document as Markdown; its charts lie beside it."""
    lines = [f"# {document.title}", ""]
    lines += [f"- {name}: {value}" for name, value in document.facts.items()]
    lines += ["", "## Conclusions", "", "Each follows by a rule from the query below it."]
    for conclusion in document.conclusions:
        lines += ["", *[f"- {sentence}" for sentence in conclusion.sentences], "", "```sql", conclusion.sql, "```"]
    if not document.conclusions:
        lines += ["", "No rule found anything to say about this period."]
    for section in document.sections:
        lines += ["", f"## {section.title}", "", section.text.strip(), ""]
        if section.chart:
            lines += [f"![{section.title}]({section.id}.svg)", ""]
        lines += _markdown_table(section)
        lines += ["", "```sql", section.sql, "```"]
    return "\n".join(lines) + "\n"


def _markdown_table(section: Section) -> list[str]:
    if not section.rows:
        return ["Nothing in this period."]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in section.rows]
    lines = ["| " + " | ".join(section.columns) + " |", "|" + "---|" * len(section.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in cells]
    return [*lines, *_rest(section)]


def _rest(section: Section) -> list[str]:
    more = section.row_count - len(section.rows)
    return ["", f"… and {more:,} more rows; the query gives them all."] if more else []


def as_html(document: Document) -> str:
    """The document as one HTML file that needs no other."""
    parts = [f"<h1>{escape(document.title)}</h1>", "<ul>"]
    parts += [f"<li>{escape(name)}: {escape(value)}</li>" for name, value in document.facts.items()]
    parts += ["</ul>", "<h2>Conclusions</h2>", "<p>Each follows by a rule from the query below it.</p>"]
    for conclusion in document.conclusions:
        parts += ["<ul>", *[f"<li>{escape(sentence)}</li>" for sentence in conclusion.sentences], "</ul>", _query(conclusion.sql)]
    if not document.conclusions:
        parts.append("<p>No rule found anything to say about this period.</p>")
    for section in document.sections:
        parts += [f"<h2>{escape(section.title)}</h2>", f"<p>{escape(section.text.strip())}</p>"]
        parts += [section.chart] if section.chart else []
        parts += [_html_table(section), _query(section.sql)]
    body = "\n".join(parts)
    head = f"<meta charset='utf-8'><title>{escape(document.title)}</title><style>{_CSS}</style>"
    return f"<!doctype html>\n<html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n"


def _query(sql: str) -> str:
    return f"<details><summary>Query</summary><pre>{escape(sql)}</pre></details>"


def _html_table(section: Section) -> str:
    if not section.rows:
        return "<p>Nothing in this period.</p>"
    head = _row("th", section.columns)
    rows = "\n".join(_row("td", row) for row in section.rows)
    rest = "".join(f"<p>{escape(line)}</p>" for line in _rest(section) if line)
    return f"<div class='wide'><table>\n{head}\n{rows}\n</table></div>{rest}"


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
