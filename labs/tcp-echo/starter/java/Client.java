import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * tcp-echo client: sends each line that you type, and prints its echo.
 *
 * <pre>javac Client.java and java Client HOST PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Client {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: java Client HOST PORT");
            System.exit(2);
        }
        String host = args[0];
        int port = Integer.parseInt(args[1]);

        Socket socket = gap(1, "a Socket connected to the server; if refused, say so, exit 1", host, port);
        InputStream in = socket.getInputStream();
        OutputStream out = socket.getOutputStream();

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            byte[] message = (line + "\n").getBytes(StandardCharsets.UTF_8);
            gap(2, "send all of the message", out, message);
            byte[] echo = gap(3, "as many bytes as were sent: one read may give fewer", in, message.length);
            System.out.print(new String(echo, StandardCharsets.UTF_8));
        }
        gap(4, "close the connection", socket);
    }
}
