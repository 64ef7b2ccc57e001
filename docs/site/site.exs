# mix run --no-start docs/site/site.exs FOLDER
#
# The documentation as pages without a script: guides, Elixir modules, Erlang modules. `bin/docs` has made what is
# needed before. A link that leads nowhere is an error.

for file <- ~w(links markdown layout erlang elixir), do: Code.require_file("#{file}.exs", __DIR__)

defmodule Site do
  alias Site.{Erlang, Layout, Links, Markdown}

  def build(folder) do
    File.mkdir_p!(folder)

    sections = [
      {"Guides", guides()},
      {"Notebooks", notebooks()},
      {"Elixir", Site.Elixir.pages()} | Erlang.sections()
    ]

    pages = for {_, pages} <- sections, page <- pages, do: page
    links = Links.new(pages)

    pages
    |> Task.async_stream(&write(folder, &1, sections, links), timeout: :infinity, ordered: false)
    |> Stream.run()

    File.cp!(Path.join(__DIR__, "style.css"), Path.join(folder, "style.css"))
    assets = Links.copy_files(folder)
    faults = Links.check(folder)
    Enum.each(faults, &IO.puts(:stderr, &1))
    IO.puts("#{length(pages)} pages and #{assets} files in #{folder}")
    faults == []
  end

  # The guides in the order of their index, then what it does not name, then what is told of elsewhere.
  defp guides do
    index = if File.exists?("docs/README.md"), do: ["docs/README.md"], else: []

    named =
      for file <- index,
          [_, name] <- Regex.scan(~r/\]\(([\w-]+\.md)/, File.read!(file)),
          do: "docs/" <> name

    guides = Enum.filter(index ++ named ++ Path.wildcard("docs/*.md"), &File.exists?/1)
    around = ~w(bench/README.md test/vectors/README.md CONTRIBUTING.md CHANGELOG.md)

    (["README.md"] ++ guides ++ Enum.filter(around, &File.exists?/1))
    |> Enum.uniq()
    |> Enum.map(&guide/1)
  end

  defp notebooks, do: "livebooks/*.livemd" |> Path.wildcard() |> Enum.map(&guide/1)

  defp guide(file) do
    {title, text} = Markdown.title(File.read!(file))

    %{
      file: page_name(file),
      title: title,
      from: file,
      names: [file],
      body: fn -> Markdown.render(text) end
    }
  end

  defp page_name("README.md"), do: "index.html"

  defp page_name(file) do
    name =
      file |> Path.rootname() |> String.replace_prefix("docs/", "") |> String.replace("/", "-")

    "#{String.downcase(name)}.html"
  end

  defp write(folder, page, sections, links) do
    body = page.body.() |> Links.resolve(page, links)
    File.write!(Path.join(folder, page.file), Layout.page(page, body, sections))
  end
end

[folder] = System.argv()
Site.build(folder) || System.halt(1)
