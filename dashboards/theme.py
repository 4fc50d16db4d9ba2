"""Tokens of the staff console: the one place where a colour is written down.

tokens_css()      -> custom properties for both schemes (`light-dark()`), read by console.css, Mantine and AG Grid
mantine_theme()   -> `theme=` of dmc.MantineProvider
GRID_THEME_JS     -> body of the asset that names the AG Grid theme (custom properties: one theme, two schemes)
template(scheme)  -> plotly template; plotly cannot read custom properties, so a chart is drawn per scheme
"""

from __future__ import annotations

from typing import Any, Final

import plotly.graph_objects as go

FONT: Final = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
MONO: Final = 'ui-monospace, "SFMono-Regular", "Cascadia Mono", "JetBrains Mono", "DejaVu Sans Mono", monospace'

TOKENS: Final = {  # name: (dark, light)
    "page": ("#14171C", "#F4F6F9"),
    "card": ("#1C2027", "#FFFFFF"),
    "raised": ("#262B34", "#E9EDF2"),
    "line": ("#3A414D", "#D5DBE3"),
    "ink": ("#E8EBF0", "#14181F"),
    "ink-2": ("#A9B2C0", "#4A5463"),
    "accent": ("#8FA6FF", "#2746C8"),
    "on-accent": ("#0D1330", "#FFFFFF"),
    "edge": ("#6B7686", "#7C8796"),
    "notice": ("#3A2E0A", "#FFF6DD"),
    "good": ("#5BD6A0", "#0B6B46"),
    "bad": ("#FF8A9A", "#A3142B"),
    "info": ("#8C97AA", "#606477"),
    "low": ("#66A3FB", "#2368BD"),
    "medium": ("#D5D521", "#715300"),
    "high": ("#F09100", "#A45D44"),
    "critical": ("#FF5573", "#92004B"),
    "info-fill": ("#8C97AA", "#798697"),
    "low-fill": ("#66A3FB", "#3A5C9A"),
    "medium-fill": ("#D5D521", "#B98400"),
    "high-fill": ("#F09100", "#9C4A10"),
    "critical-fill": ("#FF5573", "#6E0A39"),
}
SEVERITIES: Final = ("Critical", "High", "Medium", "Low", "Info")

# word: (token, shape). The shape is drawn by a CSS mask of the same name: glyphs differ between fonts, masks do not.
STATES: Final = {
    "in place": ("good", "check"),
    "FAIL": ("bad", "cross"),
    "STALE": ("medium", "clock"),
    "EXPIRED": ("medium", "clock"),
    "NOT_EVALUABLE": ("info", "dash"),
    "EXCEPTED": ("accent", "exception"),
    "NOT_APPLICABLE": ("ink-2", "empty"),
}
# 16 x 16 outlines; stroke 1.75. Severity: circle, triangle down, diamond, triangle up, filled hexagon.
SHAPES: Final = {
    "info": '<circle cx="8" cy="8" r="5"/>',
    "low": '<path d="M2.5 4h11L8 13z"/>',
    "medium": '<path d="M8 2l6 6-6 6-6-6z"/>',
    "high": '<path d="M2.5 12.5h11L8 3z"/>',
    "critical": '<path fill="#000" d="M4.6 2.2h6.8L14.8 8l-3.4 5.8H4.6L1.2 8z"/>',
    "check": '<path d="M3 8.5l3.4 3.5L13 4.5"/>',
    "cross": '<path d="M4 4l8 8M12 4l-8 8"/>',
    "clock": '<circle cx="8" cy="8" r="5.6"/><path fill="#000" stroke="none" d="M8 2.6A5.4 5.4 0 0 1 8 13.4z"/>',
    "dash": '<path d="M3.5 8h9"/>',
    "empty": '<circle cx="8" cy="8" r="5"/><path d="M4 12.5L12 3.5"/>',
    "exception": '<path d="M5.5 5.5V2.5h8v8h-3M2.5 5.5h8v8h-8z"/>',
    "run": '<path fill="#000" d="M5 3.5l7 4.5-7 4.5z"/>',
    "ring": '<circle cx="8" cy="8" r="5" stroke-dasharray="2.4 2.1"/>',
    "search": '<circle cx="7" cy="7" r="4.2"/><path d="M10.2 10.2L14 14"/>',
    "close": '<path d="M4 4l8 8M12 4l-8 8"/>',
    "chevron": '<path d="M6 3.5L10.5 8 6 12.5"/>',
    "down": '<path d="M3.5 6L8 10.5 12.5 6"/>',
    "prev": '<path d="M3.5 10L8 5.5l4.5 4.5"/>',
    "copy": '<path d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z"/>',
    "menu": '<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>',
    "scheme": '<circle cx="8" cy="8" r="5.2"/><path fill="#000" stroke="none" d="M8 2.8v10.4A5.2 5.2 0 0 0 8 2.8z"/>',
    "note": '<path d="M2.5 3h11v7.5H8L5 13.2v-2.7H2.5z"/>',
    "person": '<circle cx="8" cy="5.5" r="2.6"/><path d="M3 13.5c.6-3 2.6-4.2 5-4.2s4.4 1.2 5 4.2"/>',
    "file": '<path d="M4 2.2h5.5L12.5 5v8.8H4z"/><path d="M9.3 2.4v3h3"/>',
    "act": '<path d="M9 1.8L3.5 9H8l-1 5.2L12.5 7H8z"/>',
}


def _mask(shape: str) -> str:
    svg = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='%23000' stroke-width='1.75' "
        "stroke-linejoin='round' stroke-linecap='round'>" + shape.replace('"', "'").replace("#", "%23") + "</svg>"
    )
    return f'url("data:image/svg+xml,{svg}")'


def tokens_css() -> str:
    """Return the custom properties of both schemes, and a class for each severity, state and shape."""
    colours = "".join(f"--{name}:light-dark({light},{dark});" for name, (dark, light) in TOKENS.items())
    masks = "".join(f"--i-{name}:{_mask(shape)};" for name, shape in SHAPES.items())
    states = "".join(
        f".state-{word.lower().replace('_', '-').replace(' ', '-')}{{--c:var(--{token});--s:var(--i-{shape})}}"
        for word, (token, shape) in STATES.items()
    )
    severities = "".join(
        f".sev-{word.lower()}{{--c:var(--{word.lower()});--s:var(--i-{word.lower()})}}" for word in SEVERITIES
    )
    shapes = "".join(f".i-{name}{{--s:var(--i-{name})}}" for name in SHAPES)
    return f":root{{{colours}{masks}--font:{FONT};--mono:{MONO}}}\n{states}\n{severities}\n{shapes}\n" + "".join(
        f".c-{t}{{--c:var(--{t});color:var(--{t})}}"
        for t in ("good", "bad", "medium", "accent", "ink-2", "info", "high", "critical")
    )


def mantine_theme() -> dict[str, Any]:
    """Return Mantine's theme. It asks for ten shades, we have one accent; true values come from console.css."""
    return {
        "primaryColor": "accent",
        "primaryShade": 8,
        "autoContrast": True,
        "colors": {"accent": [TOKENS["accent"][1]] * 10},
        "fontFamily": FONT,
        "fontFamilyMonospace": MONO,
        "defaultRadius": 6,
        "cursorType": "pointer",
        "respectReducedMotion": True,
        "fontSizes": {"xs": "12px", "sm": "13px", "md": "14px", "lg": "16px", "xl": "20px"},
        "lineHeights": {"xs": "16px", "sm": "18px", "md": "20px", "lg": "22px", "xl": "26px"},
        "spacing": {"xs": "4px", "sm": "8px", "md": "12px", "lg": "16px", "xl": "24px"},
        "headings": {
            "fontWeight": "600",
            "sizes": {
                "h1": {"fontSize": "18px", "lineHeight": "24px"},
                "h2": {"fontSize": "13px", "lineHeight": "18px"},
            },
        },
        "components": {
            "Button": {"defaultProps": {"size": "xs", "variant": "default"}},
            "TextInput": {"defaultProps": {"size": "xs"}},
            "Textarea": {"defaultProps": {"size": "xs"}},
            "Select": {"defaultProps": {"size": "xs"}},
            "Checkbox": {"defaultProps": {"size": "xs"}},
            "SegmentedControl": {"defaultProps": {"size": "xs", "transitionDuration": 0}},
            "Switch": {"defaultProps": {"size": "xs"}},
            "Modal": {
                "defaultProps": {
                    "shadow": "none",
                    "overlayProps": {"backgroundOpacity": 0.6, "blur": 0},
                    "transitionProps": {"duration": 120},
                }
            },
            "Tooltip": {"defaultProps": {"openDelay": 300, "transitionProps": {"duration": 120}}},
        },
    }


GRID_THEME_JS: Final = """
var fns = window.dashAgGridFunctions = window.dashAgGridFunctions || {};
fns.onepayTheme = function (theme) {
  return theme.withParams({
    backgroundColor: 'var(--card)', foregroundColor: 'var(--ink)', textColor: 'var(--ink)',
    accentColor: 'var(--accent)',
    headerBackgroundColor: 'var(--card)', headerTextColor: 'var(--ink-2)', headerFontWeight: 600, headerFontSize: 12,
    borderColor: 'var(--line)', rowBorder: '1px solid var(--raised)', headerRowBorder: '1px solid var(--line)',
    columnBorder: false, headerColumnResizeHandleColor: 'transparent', wrapperBorder: false,
    wrapperBorderRadius: 0, rowHoverColor: 'var(--page)',
    selectedRowBackgroundColor: 'var(--page)', rangeSelectionBorderColor: 'transparent', cellTextColor: 'var(--ink)',
    fontFamily: 'inherit', fontSize: 13, spacing: 4, rowHeight: 30, headerHeight: 30, cellHorizontalPadding: 8,
    browserColorScheme: 'inherit', focusShadow: 'none', checkboxCheckedBackgroundColor: 'var(--accent)',
    checkboxCheckedShapeColor: 'var(--on-accent)', checkboxUncheckedBorderColor: 'var(--edge)', checkboxBorderRadius: 3,
    iconColor: 'var(--ink-2)', modalOverlayBackgroundColor: 'transparent'
  });
};
fns.sevClass = function (p) { return p.value ? 'sev sev-' + String(p.value).toLowerCase() : ''; };
fns.stateClass = function (p) {
  return p.value ? 'state state-' + String(p.value).toLowerCase().replace(/[_ ]/g, '-') : '';
};
"""


def colour(token: str, scheme: str) -> str:
    """Return a token's value in a scheme."""
    return TOKENS[token][0 if scheme == "dark" else 1]


def template(scheme: str) -> go.layout.Template:
    """Return the plotly template of a scheme."""
    ink2, line, raised = (colour(t, scheme) for t in ("ink-2", "line", "raised"))
    axis = {
        "gridcolor": raised,
        "linecolor": line,
        "zeroline": False,
        "tickfont": {"size": 12, "color": ink2},
        "title": None,
        "fixedrange": True,
        "ticks": "",
        "showline": False,
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": ink2},
            "margin": {"l": 0, "r": 0, "t": 0, "b": 20},
            "showlegend": False,
            "dragmode": False,
            "bargap": 0.2,
            "colorway": [colour("accent", scheme)],
            "hoverlabel": {
                "bgcolor": colour("card", scheme),
                "bordercolor": line,
                "font": {"color": colour("ink", scheme), "size": 12, "family": FONT},
            },
            "xaxis": axis,
            "yaxis": axis,
            "transition": {"duration": 0},
        }
    )
