%% @private
%% The style sheet of the page of a report. The page adds it to the style of the pictures.
-module(cambrian_report_style).

-export([style/0]).

-spec style() -> iodata().
style() ->
    [
        ":root{color-scheme:light dark;", variables(1), "}\n"
        "@media (prefers-color-scheme:dark){:root{", variables(2), "}}\n"
        "*{box-sizing:border-box}\n"
        "body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,"
        "-apple-system,\"Segoe UI\",Roboto,"
        "\"Helvetica Neue\",Arial,sans-serif;overflow-wrap:anywhere;-webkit-text-size-adjust:100%}"
        "\n"
        "main{max-width:48rem;margin:0 auto;padding:clamp(1.75rem,6vw,4rem) clamp(1rem,4vw,"
        "1.5rem) 1rem}\n"
        "footer{max-width:48rem;margin:2rem auto 0;padding:0 clamp(1rem,4vw,1.5rem) 3rem;"
        "color:var(--mute);font-size:.8125rem}\n"
        "footer p{border-top:1px solid var(--rule);padding-top:1rem;margin:0}\n"
        ".above{margin:0 0 .75rem;color:var(--mute);font-size:.875rem}\n"
        "h1{font:400 clamp(1.6rem,5.2vw,2.4rem)/1.22 \"Iowan Old Style\",\"Palatino Linotype\","
        "Palatino,Charter,Georgia,serif;"
        "letter-spacing:-.01em;margin:0;text-wrap:balance}\n"
        ".who{font-style:italic}.num{white-space:nowrap}\n"
        ".lead{margin:1rem 0 0;color:var(--mute);font-size:1.0625rem;max-width:40rem;"
        "text-wrap:pretty}\n"
        "section{margin-top:3.5rem}\n"
        "h2{font:400 1.4rem/1.3 \"Iowan Old Style\",\"Palatino Linotype\",Palatino,Charter,Georgia,"
        "serif;margin:0 0 1rem}\n"
        "h3{font-size:.875rem;font-weight:600;margin:0 0 .25rem}\n"
        ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));"
        "gap:1.25rem 1.5rem;margin:2.25rem 0 0;"
        "padding:1.25rem 0;border:solid var(--rule);border-width:1px 0}\n"
        ".facts div{display:flex;flex-direction:column-reverse;justify-content:flex-end}\n"
        ".facts dt{color:var(--mute);font-size:.8125rem;line-height:1.4}\n"
        ".facts dd{margin:0;font-size:1.25rem;line-height:1.4;font-variant-numeric:tabular-nums}\n"
        "figure{margin:0}svg.cb{display:block;width:100%}\n"
        ".scroll{overflow-x:auto}.scroll svg.cb{min-width:44rem;max-width:none}\n"
        "figcaption,.note,.id{color:var(--mute);font-size:.875rem;line-height:1.5;"
        "margin:.75rem 0 0;max-width:40rem}\n"
        ".panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));"
        "gap:1.75rem 1.5rem}\n"
        ".panels figure{max-width:26rem}\n"
        "code{font:.8125rem/1.5 ui-monospace,\"SF Mono\",Menlo,Consolas,monospace}\n"
        "table{border-collapse:collapse;font-size:.875rem;line-height:1.4;width:100%;"
        "font-variant-numeric:tabular-nums;"
        "margin:.75rem 0 0}\n"
        "caption{text-align:left;color:var(--mute);padding-bottom:.5rem}\n"
        "th,td{text-align:left;padding:.4rem 1.25rem .4rem 0;border-bottom:1px solid var(--rule);"
        "font-weight:400;"
        "vertical-align:top;overflow-wrap:normal}\n"
        "th{color:var(--mute)}.n{text-align:right;white-space:nowrap}tr>:last-child{"
        "padding-right:0}\n"
        ".settings th{width:14rem}.settings td{overflow-wrap:anywhere}\n"
        ".matrix{width:auto;border-collapse:separate;border-spacing:3px}.matrix th,.matrix td{"
        "padding:.5rem 1rem;border:0}"
        ".matrix th{padding-left:0}.matrix td{text-align:center;white-space:nowrap}\n"
        ".matrix th[scope=col]{padding:.5rem 1rem;text-align:center}\n"
        ".none{color:var(--faint)}.s0,.s1,.s2,.s3{border-radius:.25rem}.s0{color:var(--mute)}.s1{"
        "background:var(--s1)}"
        ".s2{background:var(--s2)}.s3{background:var(--s3)}\n"
        "details{margin-top:1rem;border-top:1px solid var(--rule);padding-top:.75rem}\n"
        "summary{cursor:pointer;font-size:.9375rem}"
        "summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--positive);"
        "outline-offset:3px;border-radius:2px}\n"
        ".narrow{display:none}\n"
        "@media (max-width:34rem){.wide{display:none}.narrow{display:block}.facts{"
        "grid-template-columns:1fr 1fr}"
        ".settings th{width:9rem}.matrix td,.matrix th[scope=col]{padding:.4rem .5rem}}\n"
        "@media print{section,figure,.panels figure{break-inside:avoid}main,footer{max-width:none}}"
        "\n"
        "@media (prefers-reduced-motion:reduce){.cb .cb-link{transition:none}}\n"
    ].

variables(Side) ->
    Palette = lists:sort(maps:to_list(cambrian_theme:palette())),
    Shared = [{Name, element(Side, Colour)} || {Name, Colour} <- Palette],
    Shades = lists:nth(Side, [
        [{s1, "#e6eef6"}, {s2, "#cfe0ef"}, {s3, "#b9d3ea"}],
        [{s1, "#1c2a37"}, {s2, "#253f57"}, {s3, "#2f5273"}]
    ]),
    [["--", atom_to_list(Name), ":", Value, ";"] || {Name, Value} <- Shared ++ Shades].
