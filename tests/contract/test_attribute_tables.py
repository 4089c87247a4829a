"""Tables of attributes in the two forms in which people have them, and what is said of wrong ones."""

import re
from pathlib import Path

import pytest

from cfm.datasets.reading.attribute_tables import read_table
from cfm.errors import UserError

TEXT = "3\nBald Young\n1.jpg -1  1\n2.jpg  1 -1\n3.jpg -1 -1\n"
CSV = "image_id,Bald,Young\n1.jpg,-1,1\n2.jpg,1,-1\n3.jpg,-1,-1\n"
READ = {
    "text": TEXT,
    "text of Windows": TEXT.replace("\n", "\r\n"),
    "text with a mark of its encoding": "\ufeff" + TEXT,
    "text with 0 and 1": TEXT.replace("-1", "0"),
    "text with tabs, blank lines and spaces at the ends": TEXT.replace(" ", "\t").replace("\n", "  \n\n"),
    "CSV": CSV,
    "CSV of Windows": CSV.replace("\n", "\r\n"),
    "CSV with a mark of its encoding": "\ufeff" + CSV,
    "CSV with another first name": CSV.replace("image_id", "file name"),
    "CSV in quotes": '"image_id","Bald","Young"\n"1.jpg","-1","1"\n"2.jpg","1","-1"\n"3.jpg","-1","-1"\n',
    "CSV with semicolons": CSV.replace(",", ";"),
    "CSV with tabs": CSV.replace(",", "\t"),
    "CSV with spaces": CSV.replace(",", " , "),
    "CSV with spaces before quotes": CSV.replace(",Bald", ', "Bald"'),
    "CSV with 0 and 1": CSV.replace("-1", "0"),
    "CSV with 1.0 and 0.0": CSV.replace("-1", "0.0").replace(",1", ",1.0"),
    "CSV with +1": CSV.replace(",1", ",+1"),
    "CSV with blank lines": CSV.replace("\n", "\n\n") + " , , \n",
    "CSV without a last end of line": CSV.rstrip(),
}


@pytest.mark.parametrize("form", list(READ))
def test_a_table_is_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(READ[form].encode())
    table = read_table(path)
    assert table.pictures == ["1.jpg", "2.jpg", "3.jpg"] and table.names == ["Bald", "Young"]
    assert table.flags("Bald").tolist() == [False, True, False]
    assert table.flags("Young").tolist() == [True, False, False]


def test_an_attribute_has_values_of_its_own(tmp_path: Path) -> None:
    """One with 1 and 0, one with 1 and -1, one with words that nobody asks for, and names with commas and spaces."""
    path = tmp_path / "list.csv"
    path.write_text('file,a,b,age\n"x, y.jpg",1,1,old\nz.jpg,0,-1,young\n')
    table = read_table(path)
    assert table.pictures == ["x, y.jpg", "z.jpg"]
    assert table.flags("a").tolist() == table.flags("b").tolist() == [True, False]
    with pytest.raises(UserError, match=r"list.csv: 'age': line 2: a value 1 or -1 \(or 0\) .* found 'old'"):
        table.flags("age")


REFUSED = {
    "words": (TEXT.replace("3.jpg -1", "3.jpg no"), r"'Bald': line 5: a value 1 or -1 \(or 0\) .*, found 'no'"),
    "words in all lines": (CSV.replace("-1", "False").replace(",1", ",True"), r"'Bald': line 2: .* found 'False'"),
    "yes": (CSV.replace("2.jpg,1", "2.jpg,yes"), r"'Bald': line 3: .* found 'yes'"),
    "a two": (TEXT.replace("2.jpg  1", "2.jpg  2"), r"'Bald': line 4: .* found '2'"),
    "a half": (CSV.replace("2.jpg,1", "2.jpg,0.5"), r"'Bald': line 3: .* found '0.5'"),
    "no value": (CSV.replace("2.jpg,1,", "2.jpg,,"), r"'Bald': line 3: .* found ''"),
    "NaN": (CSV.replace("2.jpg,1,", "2.jpg,nan,"), r"'Bald': line 3: .* found 'nan'"),
    "0 and -1": (CSV.replace("2.jpg,1", "2.jpg,0"), r"'Bald': line 2 has -1 and line 3 has 0: 1 or -1, or else"),
    "a count too large": ("4" + TEXT[1:], r"its first line says 4 pictures, and there are 3 lines of values"),
    "a count too small": ("2" + TEXT[1:], r"its first line says 2 pictures, and there are 3 lines of values"),
    "a count alone": ("3\n", r"its first line says 3 pictures, and there are 0 lines"),
    "no lines of values": ("image_id,Bald\n", r"no pictures in it"),
    "a missing value": (TEXT.replace("2.jpg  1 -1", "2.jpg 1"), r"line 4: a name and 2 values are expected.* found 2"),
    "a further value": (CSV.replace("2.jpg,1", "2.jpg,1,1"), r"line 3: a name and 2 values are expected, .* found 4"),
    "a space in a name": (TEXT.replace("2.jpg", "a 2.jpg"), r"line 4: a name and 2 values are expected"),
    "the same picture twice": (CSV.replace("3.jpg", "1.jpg"), r"lines 2 and 4 are both of '1.jpg': keep one"),
    "the same, as text": (TEXT.replace("3.jpg", "1.jpg"), r"lines 3 and 5 are both of '1.jpg'"),
    "an attribute twice": (CSV.replace("Young", "Bald"), r"two attributes are named 'Bald'"),
    "an attribute without a name": (CSV.replace("Young", ""), r"an attribute has no name"),
    "no name of a picture": (CSV.replace("2.jpg", ""), r"line 3: the picture's name is missing"),
    "an index": (",image_id,Bald\n0,1.jpg,1\n1,2.jpg,-1\n", r"its first column has no name, as an index has"),
    "no count": ("Bald Young\n1.jpg 1 -1\n", r"a number of pictures, a line of names and .* found 'Bald Young'"),
    "an open quote": (CSV.replace("2.jpg", '"2.jpg'), r"line \d: cannot be read \("),
    "nothing": ("", r"a number of pictures, a line of names and .* found ''"),
    "nothing but a picture": ("image_id,\n1.jpg,\n", r"an attribute has no name"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_wrong_table_is_one_line_that_says_where(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_table(path).flags("Bald")
    assert re.search(r"list\.txt: " + message, str(error.value)) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [CSV.encode("utf-16"), CSV.replace("Bald", "Zo\xeb").encode("latin-1"), b"\x1f\x8b\0"]
)
def test_another_encoding_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UserError, match=r"list.txt: cannot be read \(.*\): text in UTF-8 is expected"):
        read_table(tmp_path / "list.txt")
