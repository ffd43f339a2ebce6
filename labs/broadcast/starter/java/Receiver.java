import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;

/**
 * broadcast receiver: prints what is broadcast to a port.
 *
 * <pre>javac Receiver.java and java Receiver PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Receiver {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 1) {
            System.err.println("usage: java Receiver PORT");
            System.exit(2);
        }
        InetSocketAddress everywhere = new InetSocketAddress(Integer.parseInt(args[0])); // all interfaces

        DatagramSocket socket = gap(1, "a DatagramSocket with setReuseAddress, then bound (null, then bind)", everywhere);
        System.out.println("waiting on port " + args[0]);

        while (true) {
            DatagramPacket message = new DatagramPacket(new byte[65536], 65536);
            gap(2, "the next datagram into this packet (receive)", socket, message);
            gap(3, "print the message and who sent it", message);
        }
    }
}
