defmodule Site.Links do
  @moduledoc "What names lead to, and whether each link leads somewhere."

  @doc "Where each name leads, of all pages."
  def new(pages) do
    for page <- pages, name <- page.names, into: %{} do
      case name do
        {name, anchor} -> {name, page.file <> "#" <> anchor}
        name -> {name, page.file}
      end
    end
  end

  @doc "Links of Markdown to other pages, and of `code` that names something to where that is told of."
  def resolve(html, page, links) do
    html =
      Regex.replace(~r/(href|src)="([^"]*)"/, html, fn _, what, to ->
        ~s(#{what}="#{to(to, page, links)}")
      end)

    Regex.replace(~r{<pre.*?</pre>|<a .*?</a>|<h\d.*?</h\d>|<code>([^<]+)</code>}s, html, fn
      whole, "" -> whole
      whole, code -> named(whole, code, page, links)
    end)
  end

  defp named(whole, code, page, links) do
    name = code |> String.trim() |> unescape()
    own = for context <- [page[:module]], context, do: "#{context}#{name}"

    inner =
      for context <- [page[:module]],
          context,
          [_, kind, rest] <- [Regex.run(~r/^([ct]:)(.*)/, name)],
          do: "#{kind}#{context}#{rest}"

    case Enum.find_value([name | own] ++ inner, &links[&1]) do
      nil -> whole
      to -> if to == page.file, do: whole, else: ~s(<a href="#{to}">#{whole}</a>)
    end
  end

  # A link of Markdown is relative to the file it stands in; what is no page is a file to be copied.
  defp to("#" <> _ = anchor, _, _), do: anchor

  defp to(to, page, links) do
    [path | anchor] = String.split(to, "#", parts: 2)

    file =
      page[:from] &&
        Path.relative_to(Path.expand(Path.join(Path.dirname(page.from), path)), File.cwd!())

    cond do
      to =~ ~r/^\w+:/ or file == nil -> to
      links[file] -> Enum.join([links[file] | anchor], "#")
      first = first_in(file, links) -> first
      true -> to_file(file, to)
    end
  end

  # Of a folder, its first page.
  defp first_in(folder, links) do
    links
    |> Map.keys()
    |> Enum.filter(&String.starts_with?(&1, folder <> "/"))
    |> Enum.min(fn -> nil end)
    |> then(&links[&1])
  end

  defp to_file(file, to), do: if(File.regular?(file), do: "files/" <> file, else: to)

  @doc "Copies the files that pages link to; how many."
  def copy_files(folder) do
    files =
      for {_, text} <- texts(folder),
          [_, file] <- Regex.scan(~r/(?:href|src)="files\/([^"#]*)/, text),
          uniq: true,
          do: file

    for file <- files do
      target = Path.join([folder, "files", file])
      File.mkdir_p!(Path.dirname(target))
      File.cp!(file, target)
    end

    length(files)
  end

  @doc "What is wrong with links of the pages: nothing there, or no such place in it."
  def check(folder) do
    texts = texts(folder)
    ids = Map.new(texts, fn {file, text} -> {file, ids(text)} end)

    for {file, text} <- texts,
        [_, _, to] <- Regex.scan(~r/(href|src)="([^"]*)"/, text),
        not (to =~ ~r/^\w+:/),
        not there?(folder, file, URI.decode(unescape(to)), ids),
        uniq: true,
        do: "#{file}: a link to #{to} leads nowhere"
  end

  defp texts(folder),
    do: Map.new(Path.wildcard(Path.join(folder, "*.html")), &{Path.basename(&1), File.read!(&1)})

  defp there?(folder, file, to, ids) do
    case String.split(to, "#", parts: 2) do
      ["", anchor] ->
        anchor in ids[file]

      [path] ->
        File.regular?(Path.join(folder, path))

      [path, anchor] ->
        if ids[path], do: anchor in ids[path], else: File.regular?(Path.join(folder, path))
    end
  end

  defp ids(text),
    do: MapSet.new(Regex.scan(~r/ id="([^"]*)"/, text), fn [_, id] -> unescape(id) end)

  def escape(text) do
    text
    |> String.replace("&", "&amp;")
    |> String.replace("<", "&lt;")
    |> String.replace(">", "&gt;")
    |> String.replace("\"", "&quot;")
  end

  defp unescape(text) do
    text
    |> String.replace("&lt;", "<")
    |> String.replace("&gt;", ">")
    |> String.replace("&quot;", "\"")
    |> String.replace("&amp;", "&")
  end
end
