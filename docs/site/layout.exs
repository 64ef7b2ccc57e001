defmodule Site.Layout do
  @moduledoc "The frame of every page: a head, the text, a table of contents, and where else one can go."

  import Site.Links, only: [escape: 1]

  def page(page, body, sections) do
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>#{escape(page.title)} – Cambrian</title>
    <link rel="stylesheet" href="style.css">
    </head>
    <body>
    <header><a href="index.html">Cambrian</a> <span>#{Mix.Project.config()[:version]}</span> <a class="jump" href="#pages">Pages</a></header>
    <main>
    <h1>#{heading(page)}</h1>
    #{contents(body)}
    #{body}
    </main>
    <nav id="pages" aria-label="Pages">
    #{Enum.map(sections, &section(&1, page))}
    <h2>Rust</h2>
    <ul><li><a href="rust/cambrian_core/index.html">cambrian_core</a></li></ul>
    </nav>
    </body>
    </html>
    """
  end

  defp heading(%{module: _} = page), do: "<code>#{escape(page.title)}</code>"
  defp heading(page), do: escape(page.title)

  # The headings of second order, where there are some.
  defp contents(body) do
    case Regex.scan(~r{<h2 id="([^"]*)">(.*?)</h2>}s, body, capture: :all_but_first) do
      [_, _ | _] = headings -> ["<ul class=\"contents\">", Enum.map(headings, &entry/1), "</ul>"]
      _ -> ""
    end
  end

  defp entry([id, text]),
    do: ~s(<li><a href="##{id}">#{String.replace(text, ~r/<[^>]*>/, "")}</a></li>)

  defp section({_, []}, _), do: ""

  defp section({title, pages}, current) do
    links = for page <- pages, do: "<li>#{link(page, current)}</li>\n"
    ["<h2>", title, "</h2>\n<ul>\n", links, "</ul>\n"]
  end

  defp link(%{file: file} = page, %{file: file}),
    do: ~s(<a href="#{file}" aria-current="page">#{escape(page.title)}</a>)

  defp link(page, _), do: ~s(<a href="#{page.file}">#{escape(page.title)}</a>)

  @doc "A module's page: what is said of it, then each kind of thing that it has, with a list of them at the head."
  def module(about, groups) do
    groups = Enum.reject(groups, fn {_, items} -> items == [] end)
    [about, Enum.map(groups, &summary/1), Enum.map(groups, &group/1)] |> IO.iodata_to_binary()
  end

  defp summary({title, items}) do
    list =
      for item <- items,
          do: ~s(<li><a href="##{item.id}"><code>#{escape(item.name)}</code></a></li>)

    ["<h3 class=\"summary\">", title, "</h3><ul class=\"summary\">", list, "</ul>"]
  end

  defp group({title, items}),
    do: [~s(<h2 id="#{String.downcase(title)}">#{title}</h2>), Enum.map(items, &item/1)]

  defp item(item) do
    """
    <section id="#{item.id}">
    <h3><a href="##{item.id}"><code>#{escape(item.head)}</code></a></h3>
    #{if item.spec != "", do: "<pre class=\"spec\"><code>#{item.spec}</code></pre>"}
    #{item.doc}
    </section>
    """
  end
end
