defmodule Site.Markdown do
  @moduledoc "Markdown by rustdoc, which every machine has that builds Cambrian."

  @cut "<!-- cut -->"

  @doc "The first heading, and the text below it."
  def title(text) do
    [_, title, rest] = Regex.run(~r/\A(?:\s*<!--.*?-->)*\s*# ([^\n]+)\n(.*)/s, text)
    {title, rest}
  end

  @doc "HTML of one text."
  def render(text), do: text |> List.wrap() |> render_all() |> hd()

  @doc "HTML of each text, with one call of rustdoc."
  def render_all(texts) do
    work =
      Path.join(
        System.tmp_dir!(),
        "cambrian_docs_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    File.mkdir_p!(work)

    try do
      source = Path.join(work, "page.md")

      File.write!(source, [
        "# page\n\n" | Enum.map_intersperse(texts, "\n\n#{@cut}\n\n", &prepare/1)
      ])

      {said, 0} =
        System.cmd("rustdoc", ["--markdown-no-toc", "-o", work, source], stderr_to_stdout: true)

      if said != "", do: raise("rustdoc: #{said}")
      split(File.read!(Path.join(work, "page.html")))
    after
      File.rm_rf!(work)
    end
  end

  defp split(html) do
    [_, body] = String.split(html, ~r{<h1 class="title">.*?</h1>}s, parts: 2)
    [body, _] = String.split(body, "</body>", parts: 2)
    # what rustdoc takes for Rust it would colour, and leave lines out
    if body =~ "rust-example-rendered", do: raise("code without a language: #{body}")

    body
    |> String.replace(~r{<a class="doc-anchor"[^>]*>§</a>}, "")
    |> String.split(@cut)
    |> Enum.map(&String.trim/1)
  end

  # Every block of code has a language of its own; the name of a file stands above what is in it.
  defp prepare(text) do
    text
    |> String.replace(~r/^<!-- file: (.+?) -->$/m, "\n<p class=\"file\">\\1</p>\n")
    |> String.split("\n")
    |> fence([], {:text, ""})
    |> Enum.reverse()
    |> Enum.join("\n")
  end

  # What was seen so far is `:text`, with the last line that was not empty, `:fence` or `:indented` code.
  defp fence([], out, :indented), do: ["```" | out]
  defp fence([], out, _), do: out

  defp fence([line | rest], out, :indented) do
    if line == "" or line =~ ~r/^    /,
      do: fence(rest, [String.replace_prefix(line, "    ", "") | out], :indented),
      else: fence([line | rest], close(out), {:text, ""})
  end

  defp fence([line | rest], out, {:text, last}) do
    cond do
      line =~ ~r/^\s*```/ ->
        fence(rest, [String.replace(line, ~r/```(rust)?\s*$/, "```text") | out], :fence)

      line =~ ~r/^    / and List.first(out, "") == "" and not (last =~ ~r/^\s*([*-]|\d+\.) |^ /) ->
        fence([line | rest], ["```text" | out], :indented)

      true ->
        fence(rest, [line | out], {:text, if(line == "", do: last, else: line)})
    end
  end

  defp fence([line | rest], out, :fence),
    do: fence(rest, [line | out], if(line =~ ~r/^\s*```\s*$/, do: {:text, ""}, else: :fence))

  # Empty lines at the end of indented code stand below it.
  defp close(out) do
    {empty, code} = Enum.split_while(out, &(&1 == ""))
    empty ++ ["```" | code]
  end
end
