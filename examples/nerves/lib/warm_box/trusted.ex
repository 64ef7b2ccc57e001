defmodule WarmBox.Trusted do
  @moduledoc """
  Keeps the champions that passed their trial in one file, which is written whole or not at all.

  The new file is written beside the old one, synced and renamed, so a power cut leaves one or the
  other. Each genotype stands behind its id, which is the SHA-256 of its bytes: damaged bytes are
  not taken for a champion. If nothing can be written, the box goes on without the file.
  """

  require Logger

  alias Cambrian.Genotype

  @file_name "trusted"

  @doc "Best first; none where there is no file, no directory, or no library to read them with."
  def load(nil), do: []

  def load(dir) do
    with {:ok, bytes} <- File.read(Path.join(dir, @file_name)),
         do: genotypes(bytes),
         else: (_ -> [])
  rescue
    # `{:nif_not_loaded, _}`
    ErlangError -> []
  end

  @doc "Logs what is in the way."
  def save(nil, _genotypes), do: :ok

  def save(dir, genotypes) do
    path = Path.join(dir, @file_name)

    with :ok <- File.mkdir_p(dir),
         :ok <- write_synced(path <> ".new", Enum.map(genotypes, &entry/1)),
         :ok <- File.rename(path <> ".new", path) do
      :ok
    else
      {:error, reason} -> Logger.warning("#{path}: #{:file.format_error(reason)}")
    end
  end

  defp entry(genotype) do
    bytes = Genotype.to_binary(genotype)
    [Genotype.id(genotype), <<byte_size(bytes)::32>>, bytes]
  end

  defp genotypes(<<id::binary-32, size::32, bytes::binary-size(size), rest::binary>>) do
    with {:ok, genotype} <- Genotype.from_binary(bytes), ^id <- Genotype.id(genotype) do
      [genotype | genotypes(rest)]
    else
      _ -> []
    end
  end

  defp genotypes(_), do: []

  defp write_synced(path, bytes) do
    with {:ok, file} <- :file.open(path, [:write, :raw, :binary]) do
      written = with :ok <- :file.write(file, bytes), do: :file.sync(file)
      with :ok <- :file.close(file), do: written
    end
  end
end
